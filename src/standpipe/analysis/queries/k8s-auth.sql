-- title: Kubernetes logins
-- about: Logins by Kubernetes auth mount and service account: how many, how often, and whether tokens are thrown away.
SELECT mount_point, response_auth_display_name AS display_name, count(*) AS logins,
  count(*) FILTER (outcome <> 'ok') AS not_ok, count(DISTINCT remote_address) AS addresses, min(time) AS first_time,
  max(time) AS last_time, round(avg(response_auth_token_ttl)) AS mean_ttl_seconds,
  round((epoch(max(time)) - epoch(min(time))) / greatest(1, count(*) - 1), 1) AS mean_seconds_between
FROM requests_on('auth/*/login')
WHERE mount_type = 'kubernetes'
GROUP BY ALL
ORDER BY logins DESC, mount_point, display_name
