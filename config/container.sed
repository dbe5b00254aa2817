# SPDX-License-Identifier: MIT
# Makes of the reference, config/sluiced.yaml, the file of the container image.
s/^#daemon:$/daemon:/
s|^#  listen:$|  listen: ["unix:/run/sluiced/control.sock", "0.0.0.0:9200"]|
s/^#  log:$/  log:/
s/^#    format: auto$/    format: json/
