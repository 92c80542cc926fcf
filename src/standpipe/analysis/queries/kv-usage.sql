-- title: KV usage by mount
-- about: Requests to each KV mount: reads, lists, writes, deletes, different secrets and clients. For version 2 the secret is the path without data/, metadata/ and the like.
SELECT mount_point, namespace_path, count(*) AS requests, count(*) FILTER (operation = 'read') AS reads,
  count(*) FILTER (operation = 'list') AS lists, count(*) FILTER (operation IN ('create', 'update', 'patch')) AS writes,
  count(*) FILTER (operation = 'delete') AS deletes,
  count(DISTINCT secret_of(mount_point, namespace_path, path)) AS secrets, count(DISTINCT entity_id) AS entities
FROM requests
WHERE mount_type IN ('kv', 'generic')
GROUP BY ALL
ORDER BY requests DESC, mount_point
