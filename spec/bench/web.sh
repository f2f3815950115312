#!/bin/sh
# What a host costs, and requests per second of the page of examples/web beside the same page
# in Flask with Flask-SQLAlchemy under gunicorn: same database, machine, run and workers.
# Usage: spec/bench/web.sh [BUILD] [SECONDS]     after make
# Needs wrk and libmicrohttpd; without gunicorn or Flask only our side is measured.
set -eu

build=${1:-build}
seconds=${2:-5}
workers=2
here=$(dirname "$0")
work=$(mktemp -d)
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null || true; done; rm -rf "$work"' EXIT

cc -O2 -Ihost/embed "$here/host.c" "$build/libperilune.a" \
  $(pkg-config --libs lua5.4 sqlite3 jansson gmp) -lm -o "$work/host"
"$work/host"

if [ ! -x "$build/embed/webserver" ] || ! command -v wrk >/dev/null; then
  echo "web: not measured, wrk or the web server ($build/embed/webserver) is missing"
  exit 0
fi

wait_for() {
  for _ in $(seq 100); do
    if curl -s -o /dev/null -m 1 "$1"; then return; fi
    sleep 0.1
  done
  echo "web: $1 does not answer" >&2
  exit 1
}

# Requests per second.
rate() {
  wrk -t2 -c8 -d1 "$1" >/dev/null
  wrk -t2 -c8 -d"$seconds" "$1" | tee "$work/wrk" | awk '/Requests\/sec/ { print $2 }'
  if grep -q "Non-2xx" "$work/wrk"; then
    echo "web: $1 failed" >&2
    exit 1
  fi
}

mkfifo "$work/input"
"$build/embed/webserver" examples/web/app "$work" 8391 $workers <"$work/input" >/dev/null &
pids="$pids $!"
exec 3>"$work/input"
wait_for http://localhost:8391/
for i in $(seq 20); do
  curl -s -o /dev/null -d "{\"title\": \"post $i\", \"user\": \"user $i\"}" \
    http://localhost:8391/api/posts
done
ours=$(rate http://localhost:8391/)
echo "perilune, $workers workers: $ours requests/s"

if ! command -v gunicorn >/dev/null ||
  ! /usr/bin/python3 -c 'import flask, flask_sqlalchemy' 2>/dev/null; then
  echo "web: Flask or gunicorn is missing, nothing to compare with"
  exit 0
fi
BLOG_DB="$work/blog.db" gunicorn --chdir "$here" -w $workers -b 127.0.0.1:8392 \
  --log-level error flask_blog:app &
pids="$pids $!"
wait_for http://127.0.0.1:8392/
curl -s http://localhost:8391/ >"$work/a"
curl -s http://127.0.0.1:8392/ >"$work/b"
cmp "$work/a" "$work/b"
theirs=$(rate http://127.0.0.1:8392/)
echo "flask, $workers workers: $theirs requests/s"
echo "$ours $theirs" | awk '{ printf "ratio: %.1f\n", $1 / $2 }'
