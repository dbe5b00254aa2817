# SPDX-License-Identifier: MIT
# Makes of the reference, config/sluiced.yaml, the file that is installed: members of the group sluiced
# may use the control socket, so that an operator needs no root.
s/^#daemon:$/daemon:/
s|^#  listen:$|  listen: ["unix:/run/sluiced/control.sock?mode=0660\&group=sluiced"]|
