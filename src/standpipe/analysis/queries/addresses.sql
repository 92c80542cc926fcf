-- title: Clients by address
-- about: Each remote address: requests, entities behind it, denied requests, first and last.
-- param limit number 50: Rows at most
SELECT remote_address, count(*) AS requests, count(DISTINCT entity_id) AS entities,
  count(*) FILTER (outcome = 'denied') AS denied, min(time) AS first_time, max(time) AS last_time
FROM requests
WHERE remote_address IS NOT NULL
GROUP BY remote_address
ORDER BY requests DESC, remote_address
LIMIT $limit
