#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds what tests/gpu.sh runs with a C compiler and nvcc alone.
# Usage: build.sh ROOT WORK DEPS JOBS ARCH
#   DEPS  cJSON.c and cJSON.h, or include/ and lib/; may be empty
#   ARCH  GPUs to compile for, "90a" or "80 90a"; empty: no CUDA
set -euo pipefail
root=$1
work=$2
deps=$3
jobs=$4
arch=$5
cc=${CC:-gcc}
nvcc=${NVCC:-nvcc}
mkdir -p "$work"/{bin,include}
cd "$root"

flags=(-std=c11 -D_GNU_SOURCE "${OPTIMIZE:--O2}" -g -fPIC -pthread -fvisibility=hidden
  -ffp-contract=off -fno-fast-math -fno-math-errno -fno-trapping-math
  -Ikernels -Igst/generator -Itests/golden -Itests/unit/kernels
  -I"$work/include" "-DDV_VERSION=\"gpu\"" "-DDV_CUDA_MODULE=\"\"")
libraries=(-pthread -ldl -lm)
jobs_file=$work/jobs
: >"$jobs_file"

# object SOURCE NAME FLAGS...: to be compiled, unless it is newer than all.
object ()
{
  local source=$1 name=$2
  shift 2
  printf '%s\n' "$work/$name.o" >>"$work/$group.objects"
  printf '%q ' "$cc" "${flags[@]}" "$@" -MMD -c "$source" -o "$work/$name.o" \
    >>"$jobs_file"
  echo >>"$jobs_file"
}
begin ()
{
  group=$1
  : >"$work/$group.objects"
  mkdir -p "$work/$group"
}
all ()
{
  local file
  for file in "$@"; do
    object "$file" "$group/$(tr / - <<<"${file%.c}")"
  done
}

# cJSON: what the folder holds, else the system's.
begin generator
if [ -n "$deps" ] && [ -f "$deps/cJSON.c" ]; then
  mkdir -p "$work/include/cjson"
  cp "$deps/cJSON.h" "$work/include/cjson/"
  object "$deps/cJSON.c" generator/cJSON
elif [ -n "$deps" ] && [ -d "$deps/include/cjson" ]; then
  flags+=("-I$deps/include")
  libraries+=("-L$deps/lib" -lcjson)
else
  libraries+=(-lcjson)
fi
# And Check, of which little is used.
if [ ! -f "$deps/include/check.h" ] || [ -z "$deps" ]; then
  cp tests/gpu/check.h "$work/include/"
  check=()
else
  flags+=("-I$deps/include")
  check=("-L$deps/lib" -lcheck)
fi

all gst/generator/*.c gst/generator/ltx2/*.c gst/generator/procedural/*.c

begin kernels
x86=()
[ "$(uname -m)" != x86_64 ] || x86=(-DDV_CPU_X86)
for file in kernels/*.c kernels/ref/*.c kernels/cpu/cpu.c; do
  object "$file" "kernels/$(tr / - <<<"${file%.c}")" "${x86[@]}"
done
copies=(plain)
[ ${#x86[@]} = 0 ] || copies+=(avx2 avx512 avx512bf16)
wide=(-mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq
  -mprefer-vector-width=512)
for copy in "${copies[@]}"; do
  isa=()
  case $copy in
    avx2) isa=(-mavx2 -mfma) ;;
    avx512) isa=("${wide[@]}") ;;
    avx512bf16) isa=("${wide[@]}" -mavx512bf16) ;;
  esac
  for file in kernels/cpu/*.c; do
    [ "$file" != kernels/cpu/cpu.c ] || continue
    object "$file" "kernels/$copy-$(basename "$file" .c)" \
      "${OPTIMIZE:--O3}" -Wno-psabi \
      "${isa[@]}" "-DDV_CPU_ISA=$copy"
  done
done

begin tool
all gst/generator/tools/*.c
begin golden
all tests/golden/*.c
begin ops
for file in ops bench rig; do
  object "tests/unit/kernels/$file.c" "ops/$file"
done
for file in tests/unit/kernels/cases-*.c; do
  object "$file" "ops/$(basename "$file" .c)"
done

begin module
if [ -n "$arch" ]; then
  cuda=$(dirname "$(dirname "$(readlink -f "$(command -v "$nvcc")")")")
  gencode=()
  for one in $arch; do
    # As meson.build does: from the PTX of sm_80 where no letter forbids it.
    from=80
    [ "$one" = "${one%[a-z]}" ] || from=$one
    gencode+=("-gencode=arch=compute_$from,code=sm_$one")
  done
  for file in kernels/cuda/*.c; do
    object "$file" "module/$(basename "$file" .c)" -isystem "$cuda/include"
  done
  for file in kernels/cuda/*.cu; do
    name=module/$(basename "$file" .cu)-cu
    alike=()
    case $file in
      */merge.cu | */noise.cu) alike=(-fmad=false) ;;
    esac
    printf '%s\n' "$work/$name.o" >>"$work/module.objects"
    printf '%q ' "$nvcc" -std=c++17 -O3 -Xcompiler \
      -fPIC,-fvisibility=hidden,-fno-exceptions "${gencode[@]}" "${alike[@]}" \
      -lineinfo -c "$file" -o "$work/$name.o" >>"$jobs_file"
    echo >>"$jobs_file"
  done
fi

# The slow ones, nvcc's, first.
tac "$jobs_file" | tr '\n' '\0' | xargs -0 -P "$jobs" -I{} sh -c '{}'

link ()
{
  local program=$1
  shift
  local objects=()
  for one in "$@"; do
    mapfile -t -O "${#objects[@]}" objects <"$work/$one.objects"
  done
  "$cc" -o "$work/bin/$program" "${objects[@]}" "${extra[@]}" "${libraries[@]}"
}
extra=()
link dreamverse-generate tool generator kernels
link golden golden generator kernels
extra=("${check[@]}")
link test-kernels-ops ops kernels
if [ -n "$arch" ]; then
  mapfile -t objects < <(cat "$work/module.objects" "$work/kernels.objects")
  "${CXX:-g++}" -shared -o "$work/bin/libdreamverse-cuda.so" "${objects[@]}" \
    -Wl,--exclude-libs,ALL,-z,defs -L"$cuda/lib64" -Wl,-rpath,"$cuda/lib64" \
    -lcublasLt -lcudart_static -lrt \
    -pthread -ldl -lm
fi
