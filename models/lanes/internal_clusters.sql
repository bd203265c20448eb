{{ lane_clusters('internal') }}
