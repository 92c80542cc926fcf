-- title: Slow requests
-- about: The requests that took longest from their record to that of their response.
-- param limit number 50: Rows at most
-- param at_least number 0: Milliseconds
SELECT time, duration_ms, node, display_name, operation, path, mount_type, error, remote_address, request_id
FROM requests
WHERE duration_ms >= $at_least
ORDER BY duration_ms DESC, time, request_id
LIMIT $limit
