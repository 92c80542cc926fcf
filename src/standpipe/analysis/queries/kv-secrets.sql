-- title: KV secrets, one by one
-- about: Each secret of the KV mounts: how often it is read and written, by how many entities, and when last.
-- param limit number 100: Rows at most
SELECT mount_point, secret_of(mount_point, namespace_path, path) AS secret,
  count(*) FILTER (operation = 'read') AS reads,
  count(*) FILTER (operation IN ('create', 'update', 'patch')) AS writes,
  count(*) FILTER (operation = 'delete') AS deletes, count(DISTINCT entity_id) AS entities, max(time) AS last_time
FROM requests
WHERE mount_type IN ('kv', 'generic') AND operation <> 'list'
GROUP BY ALL
ORDER BY reads DESC, writes DESC, mount_point, secret
LIMIT $limit
