# A journal with three requests.
for id in 1 2 3; do
    for type in request response; do
        printf '{"time":"2026-03-01T10:0%s:00Z","type":"%s","auth":{"display_name":"token-bob"},"request":{"id":"%s","operation":"read","path":"secret/data/db","remote_address":"10.0.0.9"}}\n' "$id" "$type" "$id"
    done
done > records
standpipe run --fifo /vault/audit/pipe --journal journal -- cp records /vault/audit/pipe > stdout.log 2> messages.log
