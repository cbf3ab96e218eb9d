# Outpost: one order on a target, from its start until nothing of it is left. It runs in a session of its own, so that it
# outlives whoever kills the command that brought it.
#
#   keep keep PLACE MARK UMASK BOSS BORN   performs it; BOSS is the command, and when that is gone, so is the work
#   keep work PLACE MARK UMASK             becomes the program
#   keep bury PLACE MARK                   ends what a keeper left that was killed
#
# Whatever comes from the order is decoded into quoted variables; nothing of it is ever read as shell text.
umask 077
set -f
unset IFS
outpost_place=$2
outpost_mark=$3
outpost_mask=$4
outpost_order=$outpost_place/order
outpost_field() { sed -n "s/^$1 //p" "$outpost_order"; }
outpost_pause() { sleep 0.1 2>/dev/null || sleep 1; }
# Hundredths of a second, by a clock that nobody sets.
outpost_clock() {
  read -r outpost_now outpost_rest < /proc/uptime
  outpost_now=${outpost_now%.*}${outpost_now#*.}
}
outpost_birth_of() {
  outpost_birth=over
  { read -r outpost_stat < "/proc/$1/stat"; } 2> /dev/null || return 0
  set -- ${outpost_stat##*) }
  [ "$1" = Z ] || outpost_birth=${20}
}
outpost_settle() {
  printf '%s\n' "$@" > "$outpost_place/status.$$" && mv "$outpost_place/status.$$" "$outpost_place/status"
}

# A cgroup of its own holds whatever the work becomes; without one its processes are known by their environment.
outpost_join() {
  outpost_group=
  if [ -s "$outpost_place/group" ]; then read -r outpost_group < "$outpost_place/group"; fi
}
outpost_gather() {
  [ "$(outpost_field contain)" = yes ] || return 0
  outpost_own=$(sed -n 's/^0:://p' /proc/self/cgroup)
  [ -n "$outpost_own" ] || return 0
  for outpost_root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
    outpost_group=$outpost_root${outpost_own%/}/outpost-$outpost_mark-$$
    if [ -w "$outpost_root$outpost_own/cgroup.procs" ] && mkdir "$outpost_group" 2> /dev/null; then
      # Whether it takes processes is seen with one that does nothing.
      if sh -c 'printf "%s\n" "$$" > "$1/cgroup.procs"' sh "$outpost_group" 2> /dev/null; then
        printf '%s\n' "$outpost_group" > "$outpost_place/group"
        return 0
      fi
      rmdir "$outpost_group" 2> /dev/null
    fi
  done
}
outpost_members() {
  if [ -n "$outpost_group" ]; then
    cat "$outpost_group/cgroup.procs" 2> /dev/null
  else
    (set +f; grep -lF "OUTPOST_MARK=$outpost_place" /proc/[0-9]*/environ 2> /dev/null) | sed 's|^/proc/||; s|/environ$||'
  fi
}
outpost_send() {
  for outpost_pid in $(outpost_members); do
    kill -s "$1" "$outpost_pid" 2> /dev/null
  done
}
# Asks for the end, with the grace, then forces it.
outpost_finish() {
  outpost_send TERM
  outpost_send CONT
  outpost_clock
  outpost_until=$((${outpost_now#0} + $1))
  while [ -n "$(outpost_members)" ] && [ "${outpost_now#0}" -lt "$outpost_until" ]; do
    outpost_pause
    outpost_clock
  done
  outpost_round=0
  while [ -n "$(outpost_members)" ] && [ "$outpost_round" -lt 100 ]; do
    outpost_send KILL
    outpost_pause
    outpost_round=$((outpost_round + 1))
  done
}
# Which processes are still there, one line each.
outpost_tell() {
  outpost_count=0
  for outpost_pid in $(outpost_members); do
    outpost_count=$((outpost_count + 1))
    [ "$outpost_count" -le 10 ] || break
    { read -r outpost_name < "/proc/$outpost_pid/comm"; } 2> /dev/null && printf '%s\n' "$1 $outpost_pid $outpost_name"
  done
}

if [ "$1" = work ]; then
  outpost_join
  if [ -n "$outpost_group" ]; then printf '%s\n' "$$" > "$outpost_group/cgroup.procs" || exit 125; fi
  outpost_fail() {
    printf '%s\n' "$1" > "$outpost_place/failed"
    exit 127
  }
  outpost_decode() {
    outpost_value=$(printf %s "$1" | base64 -d; printf x)
    outpost_value=${outpost_value%x}
  }
  outpost_decode "$(outpost_field dir)"
  cd "$outpost_value" 2> /dev/null || outpost_fail directory
  set --
  outpost_left=0
  while read -r outpost_key outpost_name outpost_text; do
    case $outpost_key in
    env)
      outpost_decode "$outpost_text"
      set -- "$@" "$outpost_name=$outpost_value"
      outpost_left=$((outpost_left + 1))
      ;;
    arg)
      outpost_decode "$outpost_name"
      set -- "$@" "$outpost_value"
      ;;
    esac
  done < "$outpost_order"
  outpost_count=$outpost_left
  # No program is started from here on: the variables may be such as programs obey.
  for outpost_pair in "$@"; do
    [ "$outpost_left" -gt 0 ] || break
    outpost_left=$((outpost_left - 1))
    export "$outpost_pair"
  done
  shift "$outpost_count"
  export OUTPOST_MARK="$outpost_place"
  outpost_found=
  outpost_there=
  case $1 in
  */*)
    if [ -f "$1" ]; then
      outpost_there=yes
      [ -x "$1" ] && outpost_found=$1
    fi
    ;;
  *)
    IFS=:
    for outpost_folder in ${PATH-/usr/bin:/bin}; do
      if [ -f "${outpost_folder:-.}/$1" ]; then
        outpost_there=yes
        [ -x "${outpost_folder:-.}/$1" ] && outpost_found=${outpost_folder:-.}/$1 && break
      fi
    done
    ;;
  esac
  if [ -z "$outpost_found" ]; then
    if [ -n "$outpost_there" ]; then outpost_fail executable; else outpost_fail program; fi
  fi
  shift
  umask "$outpost_mask"
  exec "$outpost_found" "$@"
fi

if [ "$1" = bury ]; then
  outpost_join
  outpost_finish 200
  outpost_left=$(outpost_tell left)
  [ -z "$outpost_group" ] || rmdir "$outpost_group" 2> /dev/null
  rm -f "$outpost_order" "$outpost_place/input"
  outpost_settle "ended lost" ${outpost_left:+"$outpost_left"}
  exit 0
fi

# Of all who may believe that they are the first, one is.
mkdir "$outpost_place/taken" || exit 0
outpost_boss=$5
outpost_born=$6
read -r outpost_boot < /proc/sys/kernel/random/boot_id
outpost_birth_of "$$"
printf '%s\n' "$$ $outpost_birth $outpost_boot" > "$outpost_place/keeper.draft"
mv "$outpost_place/keeper.draft" "$outpost_place/keeper"
outpost_grace=$(outpost_field grace)
outpost_leak=$(outpost_field leak)
outpost_timeout=$(outpost_field timeout)
outpost_gather
outpost_join
if grep -q '^stdin ' "$outpost_order"; then
  outpost_field stdin | base64 -d > "$outpost_place/input"
  outpost_input=$outpost_place/input
else
  outpost_input=/dev/null
fi
# A stream, bounded: its first bytes, its last ones, and how many there were between.
outpost_collect() {
  mkfifo "$outpost_place/$1.pipe" "$outpost_place/$1.copy"
  OUTPOST_COLLECT=$outpost_place
  export OUTPOST_COLLECT
  wc -c < "$outpost_place/$1.copy" > "$outpost_place/$1.more" &
  outpost_collectors="$outpost_collectors $!"
  {
    # Open from here on, so that whoever counts ends with this, whatever happens to the folder.
    exec 4> "$outpost_place/$1.copy"
    head -c "$2" > "$outpost_place/$1.head"
    tee "$outpost_place/$1.copy" | tail -c "$3" > "$outpost_place/$1.tail"
    : > "$outpost_place/$1.done"
  } < "$outpost_place/$1.pipe" &
  outpost_collectors="$outpost_collectors $!"
  unset OUTPOST_COLLECT
}
outpost_collectors=
outpost_collect out $(outpost_field out)
outpost_collect err $(outpost_field err)
outpost_clock
outpost_begun=${outpost_now#0}
outpost_started=$(date +%s)
outpost_end=
[ "$outpost_timeout" -eq 0 ] || outpost_end=$((outpost_begun + outpost_timeout))
(
  setsid sh "$outpost_place/keep" work "$outpost_place" "$outpost_mark" "$outpost_mask" \
    < "$outpost_input" > "$outpost_place/out.pipe" 2> "$outpost_place/err.pipe"
  printf '%s\n' "$?" > "$outpost_place/exit.draft"
  mv "$outpost_place/exit.draft" "$outpost_place/exit"
) &
outpost_cause=
# Why it is to end now, if it is.
outpost_ask() {
  outpost_birth_of "$outpost_boss"
  outpost_clock
  if [ -e "$outpost_place/cancel" ]; then
    outpost_cause=cancelled
  elif [ "$outpost_birth" != "$outpost_born" ] || [ ! -d "$outpost_place" ]; then
    # Without its folder nobody could be told how it ended either.
    outpost_cause=interrupted
  elif [ -n "$outpost_end" ] && [ "${outpost_now#0}" -ge "$outpost_end" ]; then
    outpost_cause=timed_out
  fi
  [ -n "$outpost_cause" ]
}
outpost_turn=0
while [ ! -e "$outpost_place/exit" ]; do
  outpost_ask && break
  # Often at first: most work is short.
  outpost_turn=$((outpost_turn + 1))
  if [ "$outpost_turn" -lt 100 ]; then outpost_pause; else sleep 1; fi
done
outpost_leaked=
if [ -z "$outpost_cause" ] && [ -n "$(outpost_members)" ]; then
  outpost_clock
  outpost_until=$((${outpost_now#0} + outpost_leak))
  while [ -n "$(outpost_members)" ] && [ "${outpost_now#0}" -lt "$outpost_until" ]; do
    outpost_ask && break
    outpost_pause
  done
  outpost_leaked=$(outpost_tell leaked)
  # How it ended stands already.
  outpost_cause=
fi
[ -z "$(outpost_members)" ] && [ -z "$outpost_cause" ] || outpost_finish "$outpost_grace"
outpost_left=$(outpost_tell left)
outpost_round=0
while [ ! -e "$outpost_place/exit" ] && [ "$outpost_round" -lt 50 ]; do
  outpost_pause
  outpost_round=$((outpost_round + 1))
done
# One that nobody finds may hold a stream open: then it is closed here.
outpost_round=0
while [ ! -e "$outpost_place/out.done" ] || [ ! -e "$outpost_place/err.done" ]; do
  outpost_pause
  [ -d "$outpost_place" ] || exit 1
  outpost_round=$((outpost_round + 1))
  [ "$outpost_round" -gt 20 ] || continue
  for outpost_pid in $( (set +f; grep -lF "OUTPOST_COLLECT=$outpost_place" /proc/[0-9]*/environ 2> /dev/null) | sed 's|^/proc/||; s|/environ$||'); do
    case $(cat "/proc/$outpost_pid/comm" 2> /dev/null) in
    head | tee) kill "$outpost_pid" 2> /dev/null ;;
    esac
  done
done
wait $outpost_collectors
outpost_clock
outpost_total() {
  outpost_more=$(cat "$outpost_place/$1.more")
  outpost_first=$(wc -c < "$outpost_place/$1.head")
  printf '%s\n' "$1 $((outpost_first + outpost_more))"
}
if [ -s "$outpost_place/failed" ]; then
  outpost_ended="failed $(cat "$outpost_place/failed")"
elif [ -n "$outpost_cause" ]; then
  outpost_ended=$outpost_cause
elif [ -e "$outpost_place/exit" ]; then
  outpost_ended="exited $(cat "$outpost_place/exit")"
else
  outpost_ended=lost
fi
[ -z "$outpost_group" ] || rmdir "$outpost_group" 2> /dev/null
# The order may hold what nobody needs to find here.
rm -f "$outpost_order" "$outpost_place/input"
outpost_settle "ended $outpost_ended" "started $outpost_started" "elapsed $((${outpost_now#0} - outpost_begun))" \
  "$(outpost_total out)" "$(outpost_total err)" ${outpost_leaked:+"$outpost_leaked"} ${outpost_left:+"$outpost_left"}
