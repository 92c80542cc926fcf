-- title: Requests without an entity
-- about: By operation and path: requests of tokens that no entity stands behind (root, batch without alias, orphan), and unauthenticated ones.
-- param limit number 50: Rows at most
SELECT display_name, operation, path, count(*) AS requests, max(time) AS last_time
FROM requests
WHERE entity_id IS NULL
GROUP BY ALL
ORDER BY requests DESC, path, operation, display_name
LIMIT $limit
