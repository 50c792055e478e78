#!/usr/bin/env bash
# Everything the bridge serves, with nothing but curl. Start `make demo` first, then run this; each line prints a little and ends.
#
# Try: another topic (quote:NASDAQ:TSLA, book.5:ETH-USD, bar.1m:NASDAQ:AAPL, status), or -N without the `timeout`
# to watch a stream for as long as you like.
set -euo pipefail
url=${1:-http://127.0.0.1:8080}
command curl --silent --output /dev/null "$url/healthz" || { echo "cannot reach $url; is it running there? (make demo)" >&2; exit 1; }
curl() { command curl --silent --show-error --fail "$@"; }
stream() { timeout 3 curl --silent --no-buffer "$@" || true; } # `head` and `timeout` end it: that is no failure

echo "── server-sent events over HTTP/1.1"
stream "$url/v1/stream?subscribe=all:BTC-USD" | head -n 24

echo "── the same over HTTP/2 by prior knowledge"
stream --http2-prior-knowledge "$url/v1/stream?subscribe=quote:NASDAQ:AAPL,bar.5m:NASDAQ:AAPL" | head -n 16

echo "── polling: the state now, then all that came after its cursor (waits up to 5 s for the first)"
page=$(curl "$url/v1/poll?subscribe=trade:BTC-USD")
echo "$page"
cursor=$(sed -E 's/.*"cursor":"([^"]+)".*/\1/' <<<"$page")
curl "$url/v1/poll?subscribe=trade:BTC-USD&after=$cursor&wait=5"
echo

echo "── state: a book, a quote, the last trades"
curl "$url/v1/instruments/BTC-USD/book" | cut -c 1-300; echo
curl "$url/v1/instruments/NASDAQ%3AAAPL/quote"; echo
curl "$url/v1/instruments/BTC-USD/trades" | cut -c 1-300; echo

echo "── how the bridge is"
curl "$url/readyz"; echo
