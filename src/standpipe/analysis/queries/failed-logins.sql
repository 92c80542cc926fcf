-- title: Failed logins by address
-- about: Logins that were refused or went wrong, by remote address and mount.
-- param limit number 50: Rows at most
SELECT remote_address, mount_point, mount_type, count(*) AS failures, count(DISTINCT path) AS paths, min(time) AS first_time,
  max(time) AS last_time, any_value(error) AS an_error
FROM requests_on('auth/*/login*')
WHERE outcome IN ('denied', 'error') AND (path LIKE '%/login' OR path LIKE '%/login/%')
GROUP BY ALL
ORDER BY failures DESC, last_time DESC, remote_address, mount_point
LIMIT $limit
