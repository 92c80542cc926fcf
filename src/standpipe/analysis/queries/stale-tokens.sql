-- title: Stale tokens
-- about: Tokens by accessor that were used before a time and not since; longest silence first.
-- param before time: RFC 3339
SELECT accessor, any_value(display_name) AS display_name, any_value(entity_id) AS entity_id,
  any_value(token_type) AS token_type, bool_or(is_root) AS is_root, count(*) AS requests, min(time) AS first_time,
  max(time) AS last_time
FROM requests
WHERE accessor IS NOT NULL
GROUP BY accessor
HAVING max(time) < $before
ORDER BY last_time, accessor
