-- title: Lists and reads by client
-- about: Who lists much and reads little is looking around.
-- param at_least number 1: Lists at least
SELECT display_name, entity_id, count(*) FILTER (operation = 'list') AS lists, count(*) FILTER (operation = 'read') AS reads,
  round(count(*) FILTER (operation = 'list') / greatest(1, count(*) FILTER (operation = 'read')), 3) AS lists_a_read,
  sum(response_keys) AS keys_listed
FROM requests
WHERE operation IN ('list', 'read')
GROUP BY ALL
HAVING lists >= $at_least
ORDER BY lists_a_read DESC, lists DESC, display_name
