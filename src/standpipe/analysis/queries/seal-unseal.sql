-- title: Seal and step-down
-- about: sys/seal and sys/step-down, which have a request's record only. Vault never audits sys/unseal; a server's start shows as the audit devices' test message, where they are declared in its configuration.
SELECT time, node, CASE path WHEN 'sys/audit/test' THEN 'start or enable' ELSE substr(path, 5) END AS event, display_name,
  outcome, remote_address
FROM requests_on('sys/*')
WHERE path IN ('sys/seal', 'sys/step-down', 'sys/audit/test')
ORDER BY time DESC, node, "offset" DESC
