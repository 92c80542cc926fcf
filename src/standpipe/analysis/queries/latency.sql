-- title: Latency by mount and operation
-- about: Milliseconds from request to response: median, 95th and 99th percentile, largest.
SELECT mount_point, mount_type, operation, count(*) AS requests, round(quantile_cont(duration_ms, 0.5), 3) AS p50_ms,
  round(quantile_cont(duration_ms, 0.95), 3) AS p95_ms, round(quantile_cont(duration_ms, 0.99), 3) AS p99_ms, max(duration_ms) AS max_ms
FROM requests
WHERE duration_ms IS NOT NULL
GROUP BY ALL
ORDER BY p99_ms DESC, mount_point, operation
