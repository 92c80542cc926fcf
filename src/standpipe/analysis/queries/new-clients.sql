-- title: New clients
-- about: Clients (client_id, else entity, else display name) whose first request is at or after a time.
-- param after time: RFC 3339; a client that was seen before is not new
SELECT coalesce(client_id, entity_id, display_name) AS client, any_value(display_name) AS display_name,
  min(time) AS first_time, max(time) AS last_time, count(*) AS requests, count(DISTINCT path) AS paths,
  arg_min(remote_address, time) AS first_address
FROM requests
WHERE coalesce(client_id, entity_id, display_name) IS NOT NULL
GROUP BY client
HAVING min(time) >= $after
ORDER BY first_time, client
