-- title: Hot paths
-- about: The paths with the most requests, and how many clients ask for them.
-- param limit number 50: Rows at most
SELECT path, count(*) AS requests, count(*) FILTER (operation = 'read') AS reads,
  count(*) FILTER (operation = 'list') AS lists,
  count(*) FILTER (operation IN ('create', 'update', 'patch', 'delete')) AS writes,
  count(DISTINCT entity_id) AS entities, round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS percent
FROM requests
GROUP BY path
ORDER BY requests DESC, path
LIMIT $limit
