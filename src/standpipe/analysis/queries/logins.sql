-- title: Logins by mount and role
-- about: Who logs in how often: successes and failures, entities, and the time to live of the tokens given.
SELECT mount_point, mount_type, response_auth_display_name AS display_name, count(*) AS logins,
  count(*) FILTER (outcome = 'ok') AS ok, count(*) FILTER (outcome <> 'ok') AS other,
  count(DISTINCT response_auth_entity_id) AS entities, round(avg(response_auth_token_ttl)) AS mean_ttl_seconds
FROM requests_on('auth/*/login*')
WHERE path LIKE '%/login' OR path LIKE '%/login/%'
GROUP BY ALL
ORDER BY logins DESC, mount_point, display_name
