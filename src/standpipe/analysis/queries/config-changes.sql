-- title: Changes of policies, audit devices, mounts and auth methods
-- about: Every write below sys/ that changes how the server decides or records; newest first.
SELECT time, node, display_name, entity_id, operation, path, namespace_path, outcome, remote_address, request_data_keys
FROM requests_on('sys/*')
WHERE operation IN ('create', 'update', 'patch', 'delete')
  AND regexp_matches(path, '^sys/(policy|policies|audit|mounts|auth|remount|config|namespaces|plugins|quotas|rotate|generate-root|rekey)')
  AND NOT starts_with(path, 'sys/audit-hash/')
ORDER BY time DESC, node, "offset" DESC
