-- title: Denied requests
-- about: Who was refused what: "permission denied", by client, operation and path.
-- param limit number 50: Rows at most
SELECT display_name, entity_id, operation, path, namespace_path, count(*) AS requests, min(time) AS first_time,
  max(time) AS last_time, count(DISTINCT remote_address) AS addresses
FROM requests
WHERE outcome = 'denied'
GROUP BY ALL
ORDER BY requests DESC, last_time DESC, display_name, operation, path
LIMIT $limit
