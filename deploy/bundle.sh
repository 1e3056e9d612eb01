#!/bin/sh
# `make bundle`: saves images, models and settings into a folder; restore.sh in it brings them back on a machine without internet.
# No file of Compose is named, so that COMPOSE_FILE in .env chooses it.
set -eu
to=${TO:-axon-bundle}
if [ -e "$to" ]; then
    echo "axon: $to exists already: remove it, or name another folder (TO=...)." >&2
    exit 1
fi
images=$(docker compose config --images | sort -u)
docker compose build
for image in $images; do
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image"
done
mkdir -p "$to"
# shellcheck disable=SC2086 (one word an image)
docker save --output "$to/images.tar" $images
# By the service itself, so from wherever it keeps them, and as the user that may read them.
docker compose run --rm -T --no-deps --entrypoint tar inference -C /data -c . >"$to/models.tar"
for file in compose.yaml compose.gpu.yaml deploy .env.example .env deploy/restore.sh; do
    [ ! -e "$file" ] || cp -R "$file" "$to"
done
printf '\n  %s: %s, with your .env if there is one, and so its tokens.\n' "$to" "$(du -sh "$to" | cut -f1)"
printf '  On the other machine: sh %s/restore.sh\n\n' "$(basename "$to")"
