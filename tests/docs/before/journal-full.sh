# A journal that is full: nobody reads stdout, the cap is small, and what stands for Vault goes on writing.
cat > standpipe.yaml <<'end'
source: {fifo: /vault/audit/pipe}
journal: {max_size: 2MiB, on_full: block}
shutdown: {deadline: 1s}
end
base64 -w 1000 /dev/urandom | head -n 6000 |
    sed "s/.*/{\"time\":\"$(date -u +%FT%TZ)\",\"type\":\"request\",\"data\":\"&\"}/" > records
mkfifo stdout
exec 8<> stdout
head -c 65536 /dev/zero >&8 # full from the beginning, so that the cursor stays at 0
standpipe run --config standpipe.yaml -- cp records /vault/audit/pipe > stdout 2> messages.log &

# keep compresses what is there, and capture takes the room that this makes: wait until both have come to rest.
settled() {
    local raw=(/var/lib/standpipe/segments/0*.log)
    standpipe status | grep -q '^capture: .* wait in the reserve' &&
        standpipe status | grep -q '^journal: .* of its cap is used' &&
        grep -q disk-full /var/lib/standpipe/incidents.jsonl &&
        [ "${#raw[@]}" -le 3 ] && [ "${raw[*]}" = "$raw_before" ]
}
until settled; do
    raw=(/var/lib/standpipe/segments/0*.log)
    raw_before="${raw[*]}"
    sleep 1
done 2> /dev/null
