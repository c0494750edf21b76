# The course on one server, for a class (docs/CLASSROOM.md): Debian's Python and JupyterHub's proxy.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates make node-configurable-http-proxy python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

# The project belongs to root: students can read it, and not change it.
WORKDIR /srv/workbench
COPY . .
# Without CUDA libraries; for a server with a GPU: --build-arg PIP_FLAGS=
ARG PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
RUN make env EXTRAS=models,retrieval,minilm,demo,classroom PIP_FLAGS="$PIP_FLAGS" \
 && .venv/bin/python -m compileall -qq workbench

# Passwords and the class list; the copies of the students.
VOLUME /srv/class /home
EXPOSE 8000
CMD [".venv/bin/jupyterhub", "--config", "etc/classroom/jupyterhub_config.py"]
