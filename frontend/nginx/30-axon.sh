#!/bin/sh
# Runs before nginx. It tells nginx which proxies to believe, and tries the certificates. A mistake is one line in the log; the
# container then stays, unhealthy, instead of starting again and again.
set -eu

refuse() {
    echo "axon: $*" >&2
    exec tail -f /dev/null
}

# The machine that runs this container, as connections from there look: the default route, which /proc has in hexadecimal.
host_address() {
    route=$(awk '$2 == "00000000" && $3 != "00000000" { print $3; exit }' "${ROUTES:-/proc/net/route}")
    [ -n "$route" ] || refuse "AXON_PROXY=$AXON_PROXY: this container has no route to its host; name the proxy's address"
    set -- $(echo "$route" | sed 's/../0x& /g')
    printf '%d.%d.%d.%d' "$4" "$3" "$2" "$1"
}

believed=""
for proxy in $(echo "${AXON_PROXY:-}" | tr ',' ' '); do
    case $proxy in
        host) proxy=$(host_address) ;;
        *[!0-9a-fA-F.:/]*) refuse "AXON_PROXY=$AXON_PROXY cannot be used: $proxy is neither an address (10.0.0.7), nor a network" \
            "(10.0.0.0/8), nor the word host" ;;
    esac
    believed="$believed $proxy"
done
{
    for proxy in $believed; do echo "set_real_ip_from $proxy;"; done
    echo 'geo $realip_remote_addr $from_proxy {'
    echo '    default 0;'
    for proxy in $believed; do echo "    $proxy 1;"; done
    echo '}'
} >"${CONF:-/etc/nginx/conf.d}/proxies.conf"

# nginx reads certificates at each connection, too late to complain. Here it reads them once.
try_certificate() {
    [ -r "$2.crt" ] && [ -r "$2.key" ] || refuse "$1 and $1's key cannot be read by user $(id -u): chmod or chown them"
    {
        echo 'pid /tmp/try.pid; events {} http {'
        grep _temp_path /etc/nginx/nginx.conf
        echo "server { listen unix:/tmp/try.sock ssl; ssl_certificate $2.crt; ssl_certificate_key $2.key; } }"
    } >/tmp/try.conf
    said=$(nginx -t -q -c /tmp/try.conf -g 'error_log stderr emerg;' 2>&1) \
        || refuse "$1 cannot be used; it must be a PEM file with a certificate, and its key must belong to it:" \
            "$(echo "$said" | sed -n 's/.*\[emerg\][^:]*: //p' | head -n 1)"
}

case ${AXON_LISTEN:-} in *ssl*) try_certificate AXON_TLS_CERT /run/tls/page ;; esac
case ${AXON_GRPC_LISTEN:-} in *ssl*) try_certificate AXON_GRPC_TLS_CERT /run/tls/grpc ;; esac

said=$(nginx -t -q 2>&1) || refuse "nginx cannot start: $(echo "$said" | grep -m 1 emerg || echo "$said")"
