# A journal that is full: nobody reads stdout, the cap is small, and what stands for Vault goes on writing.
vault_records() {
    base64 -w 1000 /dev/urandom | head -n 3000 | sed "s/.*/{\"time\":\"$(date -u +%FT%TZ)\",\"type\":\"request\",\"data\":\"&\"}/"
}
cat > standpipe.yaml <<'end'
source: {fifo: /vault/audit/pipe}
journal: {max_size: 512KiB, on_full: block}
shutdown: {deadline: 1s}
end
vault_records > records
mkfifo stdout
exec 8<> stdout
head -c 65536 /dev/zero >&8
standpipe run --config standpipe.yaml -- cp records /vault/audit/pipe > stdout 2> messages.log &
until grep -qs disk-full /var/lib/standpipe/incidents.jsonl && grep -qs delivering messages.log; do sleep 0.05; done
