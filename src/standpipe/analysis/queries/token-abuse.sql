-- title: Tokens that look themselves up too often
-- about: Accessors with many lookups of their own token: clients that poll instead of renewing.
-- param at_least number 100: Lookups
SELECT accessor, any_value(display_name) AS display_name, any_value(entity_id) AS entity_id, count(*) AS lookups,
  min(time) AS first_time, max(time) AS last_time,
  round(count(*) / greatest(1, (epoch(max(time)) - epoch(min(time))) / 60), 2) AS lookups_a_minute
FROM requests_on('auth/token/lookup*')
WHERE path IN ('auth/token/lookup', 'auth/token/lookup-self', 'auth/token/lookup-accessor')
GROUP BY accessor
HAVING count(*) >= $at_least
ORDER BY lookups DESC, accessor
