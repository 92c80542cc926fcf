-- title: Traffic by hour
-- about: Requests, errors, denied ones and the 99th percentile of the time to the response, hour by hour.
SELECT date_trunc('hour', time) AS hour, count(*) AS requests, count(*) FILTER (outcome = 'error') AS errors,
  count(*) FILTER (outcome = 'denied') AS denied, count(*) FILTER (response_time IS NULL) AS without_response,
  round(quantile_cont(duration_ms, 0.99), 3) AS p99_ms
FROM requests
GROUP BY hour
ORDER BY hour
