<?php
// What the site reports: components, available updates, health.
