-- title: Overview by mount
-- about: What the server does: requests by mount type, mount and operation, with outcomes.
SELECT mount_type, mount_point, operation, count(*) AS requests, count(*) FILTER (outcome = 'denied') AS denied,
  count(*) FILTER (outcome = 'error') AS errors, count(DISTINCT entity_id) AS entities,
  round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS percent
FROM requests
GROUP BY ALL
ORDER BY requests DESC, mount_point, operation
