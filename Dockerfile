# ftjob's images: controller, worker-caffe-cpu, worker-caffe-cuda, worker-torch, web. docs/images.md says how to build
# and what they hold.
#
# A network with certificates of its own passes them as the secret `ca`; nothing of it stays in an image.
#
# Mirrors keep only the newest version of a Debian package, so one that is asked for by version is soon not there:
# hadolint global ignore=DL3008

ARG BASE=debian:bookworm-20251229-slim@sha256:d5d3f9c23164ea16f31852f95bd5959aad1c5e854332fe00f7b3a20fcc9f635c

# What every image runs on: Python, a user, no program that gives its caller rights.
FROM ${BASE} AS runtime
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc/* /usr/share/man/* \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && echo 'ftjob:x:1000:1000:ftjob:/var/lib/ftjob:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'ftjob:x:1000:' >> /etc/group \
 && install --directory --owner=1000 --group=1000 /var/lib/ftjob
ENV PATH=/opt/ftjob/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/ftjob \
    FTJOB_CACHE=/var/lib/ftjob/cache \
    PYTHONUNBUFFERED=1

# What builds: uv, and the packages of the lock, by their hashes. Half of the Kubernetes client is a second one,
# for asyncio, that nothing here imports.
FROM runtime AS packages
# What a controller never loads, since it leaves pictures to workers: these, and what they alone need.
# WORKER_EXTRAS=mlflow: the client of an MLflow server, for workers too.
ARG WORKER_EXTRAS=
ARG WORKER_ONLY="opencv-contrib-python-headless simplejpeg matplotlib"
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY tools/uv.txt tools/
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --requirement tools/uv.txt
COPY pyproject.toml requirements.lock ./
ENV UV="/opt/uv/bin/uv --quiet" UV_CONSTRAINT=requirements.lock UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi \
 && printf '%s\n' ${WORKER_ONLY} > worker-only.txt \
 && ${UV} venv --python /usr/bin/python3 /opt/ftjob \
 && ${UV} pip install --python /opt/ftjob --excludes worker-only.txt --requirements pyproject.toml \
 && cp --archive /opt/ftjob /opt/worker-only \
 && ${UV} pip install --python /opt/worker-only --requirements pyproject.toml ${WORKER_EXTRAS:+--extra "${WORKER_EXTRAS}"} \
 && ${UV} cache clean \
 && find /opt/ftjob ! -type d -printf '/opt/worker-only/%P\0' > both \
 && xargs --null --arg-file=both rm && find /opt/worker-only -type d -empty -delete \
 && rm -r /opt/ftjob/.lock /opt/ftjob/lib/python3*/site-packages/kubernetes/aio

# ftjob itself, apart from its packages: the last and smallest layer of each image.
FROM packages AS ftjob
COPY README.md LICENSE ./
COPY jobspec jobspec
COPY ftjob ftjob
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi \
 && ${UV} pip install --no-cache --python /opt/ftjob --no-deps --build-constraints requirements.lock .
WORKDIR /opt/ftjob
RUN mkdir /ftjob \
 && cp --archive --parents bin/ftjob bin/kubectl-ftjob lib/python3*/site-packages/ftjob* \
       lib/python3*/site-packages/jobspec /ftjob

# Real Caffe, as `ftjob engine install caffe` makes it. Of ftjob's sources it depends on these files alone.
FROM runtime AS bundles
WORKDIR /src
COPY ftjob/errors/__init__.py ftjob/errors/outcomes.py ftjob/errors/
COPY ftjob/engine/caffe/apt.py ftjob/engine/caffe/builds.py ftjob/engine/caffe/debian.py \
     ftjob/engine/caffe/unpack.py ftjob/engine/caffe/

FROM bundles AS caffe-cpu
RUN python3 -m ftjob.engine.caffe.debian cpu /opt/engines/caffe

# Debian 11 with its own CUDA 11.2, unpacked: the root file system of the next stage.
FROM bundles AS caffe-toolchain
RUN python3 -m ftjob.engine.caffe.debian toolchain /toolchain

# Caffe compiled for GPUs: half an hour for all of them on two cores, half of that for one. Name a compute capability
# without the dot: CUDA_ARCH=37 is a K80's.
FROM scratch AS caffe-compiled
COPY --from=caffe-toolchain /toolchain /
COPY tools/compile-caffe /
ARG CUDA_ARCH="37 52 60 61 70 75 80 86"
ARG CUDA_PTX=86
RUN CUDA_ARCH="${CUDA_ARCH}" CUDA_PTX="${CUDA_PTX}" /compile-caffe

# The driver's libcuda comes with the node; without it this Caffe computes on processors.
FROM bundles AS caffe-cuda
RUN --mount=type=bind,from=caffe-compiled,source=/compiled,target=/compiled \
    python3 -m ftjob.engine.caffe.debian cuda /opt/engines/caffe /compiled

# PyTorch and what it alone needs: the usual build, by its hashes, unless the builder names another, for processors or
# for some CUDA, by an index that has it or by a wheel. Headers are for those who compile.
FROM packages AS torch
ARG TORCH=
ARG TORCH_INDEX=
COPY tools/torch.txt tools/
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi \
 && find /opt/ftjob ! -type d -print0 > packages \
 && if [ -n "${TORCH}${TORCH_INDEX}" ]; \
    then set -- ${TORCH_INDEX:+--index "${TORCH_INDEX}"} "${TORCH:-torch>=2.6}"; \
    else set -- --require-hashes --requirement tools/torch.txt; fi \
 && ${UV} pip install --no-cache --python /opt/ftjob "$@" \
 && xargs --null --arg-file=packages rm && find /opt/ftjob -type d -empty -delete \
 && rm -r /opt/ftjob/.lock /opt/ftjob/lib/python3*/site-packages/torch/include

# What `ftjob ui` and `ftjob serve` need beyond a worker's packages: servers of pages, and ONNX Runtime as the engine.
# Of plotly the pages take its JavaScript alone.
FROM packages AS web-packages
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi \
 && find /opt/ftjob ! -type d -print0 > packages \
 && ${UV} pip install --no-cache --python /opt/ftjob --excludes worker-only.txt --requirements pyproject.toml \
       --extra serve --extra ui --extra onnx --extra faces \
 && xargs --null --arg-file=packages rm && find /opt/ftjob -type d -empty -delete \
 && rm -r /opt/ftjob/.lock /opt/ftjob/lib/python3*/site-packages/plotly/graph_objs \
       /opt/ftjob/lib/python3*/site-packages/plotly/labextension

FROM runtime AS base-controller
COPY --from=packages /opt/ftjob /opt/ftjob

FROM base-controller AS base-worker
COPY --from=packages /opt/worker-only /opt/ftjob
# Made here, so that an engine leaves /opt as it is, and the layer that is put on top is the same for all workers.
RUN install --directory /opt/engines
ENV FTJOB_ENGINES=/opt/engines

FROM base-controller AS controller
ARG VERSION=0.1.0.dev0
ARG REVISION=
COPY --from=ftjob /ftjob /opt/ftjob
WORKDIR /var/lib/ftjob
USER 1000:1000
ENTRYPOINT ["ftjob"]
LABEL org.opencontainers.image.title="ftjob controller" \
      org.opencontainers.image.description="Turns FineTuneJobs into Kubernetes Jobs, and watches them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM base-worker AS worker-caffe-cpu
ARG VERSION=0.1.0.dev0
ARG REVISION=
COPY --from=caffe-cpu /opt/engines /opt/engines
COPY --from=ftjob /ftjob /opt/ftjob
WORKDIR /var/lib/ftjob
USER 1000:1000
ENTRYPOINT ["ftjob"]
LABEL org.opencontainers.image.title="ftjob worker with Caffe on the CPU" \
      org.opencontainers.image.description="Trains with real Caffe 1.0, Debian 11's build" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM base-worker AS worker-caffe-cuda
ARG VERSION=0.1.0.dev0
ARG REVISION=
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=caffe-cuda /opt/engines /opt/engines
COPY --from=ftjob /ftjob /opt/ftjob
WORKDIR /var/lib/ftjob
USER 1000:1000
ENTRYPOINT ["ftjob"]
LABEL org.opencontainers.image.title="ftjob worker with Caffe on GPUs" \
      org.opencontainers.image.description="Trains with real Caffe 1.0, Debian 11's source with CUDA 11.2" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause AND LicenseRef-NVIDIA-CUDA-EULA" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM base-worker AS worker-torch
ARG VERSION=0.1.0.dev0
ARG REVISION=
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=torch /opt/ftjob /opt/ftjob
COPY --from=ftjob /ftjob /opt/ftjob
WORKDIR /var/lib/ftjob
USER 1000:1000
ENTRYPOINT ["ftjob"]
LABEL org.opencontainers.image.title="ftjob worker with PyTorch" \
      org.opencontainers.image.description="Trains Caffe's nets with PyTorch, on today's GPUs or on processors" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM base-worker AS web
ARG VERSION=0.1.0.dev0
ARG REVISION=
COPY --from=web-packages /opt/ftjob /opt/ftjob
COPY --from=ftjob /ftjob /opt/ftjob
WORKDIR /var/lib/ftjob
USER 1000:1000
ENTRYPOINT ["ftjob"]
LABEL org.opencontainers.image.title="ftjob pages and answers" \
      org.opencontainers.image.description="Shows runs in a browser, and answers about pictures with ONNX Runtime" \
      org.opencontainers.image.licenses="Apache-2.0 AND MIT AND BSD-3-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
