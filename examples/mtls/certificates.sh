#!/bin/sh
# An authority, a server named localhost and a client with a SPIFFE identity, in the folder in which it is run. For trying out only.
set -eu

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

# leaf NAME SUBJECT-ALT-NAME
leaf() {
    key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$1" -addext "subjectAltName=$2" |
        openssl x509 -req -CA ca.pem -CAkey ca.key -copy_extensions copy -days 30 -out "$1.pem" 2>/dev/null
}

key ca
openssl req -x509 -new -key ca.key -subj "/CN=example authority" -days 30 -out ca.pem
leaf server DNS:localhost,IP:127.0.0.1
leaf client URI:spiffe://example.org/client
