-- title: Slow requests
-- about: The requests that took longest from their record to that of their response.
-- param limit number 50: Rows at most
-- param at_least number 0: Milliseconds
WITH slow AS (
  SELECT node, request_id, time, duration_ms
  FROM requests
  WHERE duration_ms >= $at_least
  ORDER BY duration_ms DESC, time, request_id
  LIMIT $limit
)
SELECT slow.time, duration_ms, node, any_value(display_name) AS display_name, any_value(operation) AS operation,
  any_value(path) AS path, any_value(mount_type) AS mount_type, any_value(error) AS error,
  any_value(remote_address) AS remote_address, request_id
FROM slow JOIN records USING (node, request_id)
GROUP BY ALL
ORDER BY duration_ms DESC, slow.time, request_id
