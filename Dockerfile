# The project in a container, as a user without special rights:
#   docker build --tag store-segments .
#   docker run --rm --volume "$PWD/data:/data" --env STORE_SEGMENTS_DB=/data/store_segments.duckdb store-segments
# The folder must be writable for user 1000. Own files go into the same folder: append
# `make build VARS=/data/my.yml` to the second command.
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libgomp1 make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home analyst
USER analyst
WORKDIR /home/analyst/store_segments
COPY --chown=analyst . .
RUN make .venv/.installed

CMD ["make", "build"]
