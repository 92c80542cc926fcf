-- title: Use of root tokens
-- about: Every request whose token has the policy root, newest first.
-- param limit number 100: Rows at most
SELECT time, node, display_name, operation, path, namespace_path, outcome, remote_address, accessor, request_id
FROM requests_with_policy('root')
ORDER BY time DESC, node, "offset" DESC
LIMIT $limit
