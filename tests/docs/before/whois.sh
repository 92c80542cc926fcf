# A journal with what a server wrote about one token.
hash=hmac-sha256:6470cf4d894d5a5c384f3a269a0b4403250b667de9d3334ceb2d893b4e0fa20a
{
    printf '{"time":"2026-03-01T10:00:00Z","type":"response","auth":{"display_name":"root"},"request":{"id":"1","operation":"update","path":"auth/token/create","remote_address":"10.0.0.7"},"response":{"auth":{"accessor":"%s"}}}\n' "$hash"
    printf '{"time":"2026-03-01T10:05:00Z","type":"request","auth":{"display_name":"token-bob","accessor":"%s"},"request":{"id":"2","operation":"read","path":"secret/data/db","remote_address":"10.0.0.9"}}\n' "$hash"
} > records
standpipe run --fifo /vault/audit/pipe -- cp records /vault/audit/pipe > stdout.log 2> messages.log
