-- title: Secrets read by one client
-- about: What a client read: every path of a mount that holds secrets, first and last.
-- param client text: Display name, entity id or client id; a pattern such as kubernetes-* too
SELECT path, mount_point, namespace_path, count(*) AS reads, count(*) FILTER (outcome <> 'ok') AS not_ok,
  min(time) AS first_time, max(time) AS last_time
FROM requests_by($client)
WHERE operation = 'read' AND path NOT LIKE 'sys/%' AND path NOT LIKE 'auth/%'
GROUP BY ALL
ORDER BY reads DESC, path
