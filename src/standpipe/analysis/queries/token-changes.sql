-- title: Token creation, renewal and revocation
-- about: By client and operation: auth/token/create…, renew…, revoke… and lookup….
SELECT display_name, entity_id,
  regexp_extract(path, '^auth/token/(create|renew|revoke|lookup)', 1) AS action, path, outcome, count(*) AS requests,
  min(time) AS first_time, max(time) AS last_time
FROM requests_on('auth/token/*')
WHERE regexp_matches(path, '^auth/token/(create|renew|revoke|lookup)')
GROUP BY ALL
ORDER BY requests DESC, action, display_name, path, outcome
