# A journal with a few requests: answered, denied, failed, and one that nobody answered.
head='"auth":{"display_name":"userpass-bob","entity_id":"3f2a91c0-0000-4000-8000-000000000000","policies":["default","dev"]}'
say() { # time, type, id, operation, path, rest
    printf '{"time":"2026-03-01T10:00:%sZ","type":"%s",%s,"request":{"id":"%s","operation":"%s","path":"%s","remote_address":"10.0.0.7"}%s}\n' \
        "$1" "$2" "$head" "$3" "$4" "$5" "$6"
}
{
    say 00.000 request 1 read secret/data/db
    say 00.002 response 1 read secret/data/db
    say 01.000 request 2 delete secret/data/prod ',"error":"permission denied"'
    say 01.001 response 2 delete secret/data/prod ',"error":"1 error occurred:\n\t* permission denied\n\n"'
    say 02.000 request 3 update database/rotate-root/main
    say 04.500 response 3 update database/rotate-root/main ',"error":"connection refused"'
    say 05.000 request 4 list secret/metadata/
} > records
standpipe run --fifo /vault/audit/pipe -- cp records /vault/audit/pipe > stdout.log 2> messages.log
