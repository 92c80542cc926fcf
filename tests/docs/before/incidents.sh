# A whole record and half of one.
printf '{"type":"request"}\n{"time":"2024\n' > records
echo 'sinks: {stdout: {type: stdout, format: json}}' > standpipe.yaml
standpipe run --fifo /vault/audit/pipe --config standpipe.yaml -- cp records /vault/audit/pipe > stdout.log 2> messages.log
