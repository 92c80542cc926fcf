-- title: Changes of audit devices
-- about: Audit devices that were enabled or disabled, test messages, and changes of what is hashed (sys/config/auditing).
SELECT time, node, display_name, operation, path, outcome, remote_address, request_data_keys
FROM requests_on('sys/*')
WHERE operation IN ('create', 'update', 'patch', 'delete') AND regexp_matches(path, '^sys/(audit|config/auditing)(/|$)')
ORDER BY time DESC, node, "offset" DESC
