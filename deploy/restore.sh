#!/bin/sh
# In a folder made by `make bundle`: brings its images and models onto this machine, which needs Docker with Compose, and no internet.
set -eu
cd "$(dirname "$0")"
docker load --quiet --input images.tar
docker compose run --rm -T --no-deps --entrypoint tar inference -C /data -x <models.tar
echo "axon: restored. Start it: cd $PWD && docker compose up --detach"
