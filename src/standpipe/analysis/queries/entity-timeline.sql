-- title: What one entity did
-- about: Every request of an entity, or of a display name or client id, in order.
-- param entity text: Entity id, display name or client id; a pattern too
-- param limit number 1000: Rows at most
SELECT time, node, operation, path, outcome, duration_ms, remote_address, display_name
FROM requests_by($entity)
ORDER BY time, node, "offset"
LIMIT $limit
