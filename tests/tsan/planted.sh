#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: planted.sh PROGRAM
# A race that was put into the program must be found, where it is.
out=$("$1" race 2>&1)
status=$?
case $out in
  *"data race"*other_thread*) ;;
  *)
    echo "$out"
    echo "the race was not found"
    exit 1
    ;;
esac
if [ $status = 0 ]; then
  echo "the race was found, but the program succeeded"
  exit 1
fi
