-- title: Entity churn by day
-- about: A day's entities: how many ask, how many ask for the first time in what was read, how many never come back, and how many a login created.
WITH days AS (
  SELECT date_trunc('day', time) AS day, entity_id, count(*) AS requests, bool_or(coalesce(entity_created, false)) AS created
  FROM (SELECT time, coalesce(entity_id, response_auth_entity_id) AS entity_id, entity_created FROM requests)
  WHERE entity_id IS NOT NULL
  GROUP BY ALL
), spans AS (
  SELECT *, min(day) OVER (PARTITION BY entity_id) AS first_day, max(day) OVER (PARTITION BY entity_id) AS last_day
  FROM days
)
SELECT CAST(day AS DATE) AS day, count(*) AS entities, count(*) FILTER (day = first_day) AS first_seen,
  count(*) FILTER (day = last_day) AS last_seen, count(*) FILTER (created) AS created, CAST(sum(requests) AS BIGINT) AS requests
FROM spans
GROUP BY day
ORDER BY day
