-- title: Clients that poll
-- about: A client that asks for the same path over and over at short intervals, as Airflow and badly set agents do.
-- param at_least number 100: Requests of one client for one path
SELECT display_name, entity_id, path, count(*) AS requests, min(time) AS first_time, max(time) AS last_time,
  round((epoch(max(time)) - epoch(min(time))) / (count(*) - 1), 3) AS mean_seconds_between
FROM requests
WHERE operation = 'read'
GROUP BY ALL
HAVING count(*) >= greatest(2, $at_least)
ORDER BY requests DESC, path, display_name
