# A journal in small segments, and what two destinations got of it: one raw, one with envelopes and seals.
cat > config.yaml <<END
source: {fifo: /vault/audit/pipe}
journal: {segment_size: 1MiB}
END
cat > copies.yaml <<END
sinks:
  copies: {type: stdout, format: json, deliver_seals: true}
END
pad=$(head -c 2000 /dev/zero | tr '\0' x)
i=0
while [ "$i" -lt 300 ]; do
    time=$(printf '2026-03-01T10:%02d:%02d.5Z' $((i / 60)) $((i % 60)))
    for type in request response; do
        printf '{"time":"%s","type":"%s","request":{"id":"%d","operation":"read","path":"secret/%s"}}\n' "$time" "$type" "$i" "$pad"
    done
    i=$((i + 1))
done > records
standpipe run --config config.yaml -- cp records /vault/audit/pipe > raw.log 2> messages.log
standpipe keep --once --config config.yaml 2>> messages.log
standpipe ship --once --config copies.yaml > copy.jsonl 2>> messages.log
