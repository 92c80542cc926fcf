-- title: Who read this path
-- about: Each client that read or listed a path, how often, from where, first and last. GLOB stars match across slashes; for KV version 2 the path is secret/data/….
-- param path text: The path, or a pattern such as secret/data/team-a/*
SELECT display_name, entity_id, operation, outcome, count(*) AS requests, min(time) AS first_time, max(time) AS last_time,
  count(DISTINCT remote_address) AS addresses, any_value(remote_address) AS an_address
FROM requests_on($path)
WHERE operation IN ('read', 'list')
GROUP BY ALL
ORDER BY requests DESC, last_time DESC, display_name, operation, outcome
