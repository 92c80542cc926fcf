-- title: What one entity did
-- about: Every request of an entity, in order.
-- param entity text: The entity's id
-- param limit number 1000: Rows at most
SELECT time, node, operation, path, outcome, duration_ms, remote_address, display_name
FROM requests
WHERE entity_id = $entity
ORDER BY time, node, "offset"
LIMIT $limit
