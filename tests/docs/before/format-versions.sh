# A journal at rest.
echo '{"type":"request"}' > record
standpipe run --fifo /vault/audit/pipe -- cp record /vault/audit/pipe > stdout.log 2> messages.log
