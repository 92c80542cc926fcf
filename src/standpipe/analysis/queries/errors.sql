-- title: Errors
-- about: What went wrong, by text and path; denied requests are not counted here.
-- param limit number 50: Rows at most
SELECT error, mount_point, operation, count(*) AS requests, any_value(path) AS a_path, min(time) AS first_time,
  max(time) AS last_time
FROM requests
WHERE outcome = 'error'
GROUP BY ALL
ORDER BY requests DESC, error, mount_point, operation
LIMIT $limit
